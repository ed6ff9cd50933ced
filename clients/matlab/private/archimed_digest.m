function digest = archimed_digest (name)
% Return the SHA-256 of a file in hexadecimal digits.
  file = fopen (name, 'rb');
  bytes = fread (file, Inf, '*uint8');
  fclose (file);
  if exist ('OCTAVE_VERSION', 'builtin') ~= 0
    digest = hash ('sha256', char (bytes'));
  else
    made = java.security.MessageDigest.getInstance ('SHA-256');
    digest = lower (sprintf ('%02x', typecast (made.digest (bytes), 'uint8')));
  end
end
