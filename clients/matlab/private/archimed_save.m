function archimed_save (name, url, token, place)
% Write the bytes that the API answers into a file.
  address = [regexprep(url, '/+$', '') '/api/v1' place];
  if exist ('OCTAVE_VERSION', 'builtin') == 0
    options = archimed_options (token);
    options.ContentType = 'binary';
    websave (name, address, options);
    return
  end
  % Octave has no websave; its webread gives the bytes as they are.
  bytes = webread (address, archimed_options (token));
  file = fopen (name, 'wb');
  if file < 0
    error ('archimed:file', '%s cannot be written', name);
  end
  fwrite (file, uint8 (bytes), 'uint8');
  fclose (file);
end
