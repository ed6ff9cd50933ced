function encoded = archimed_encoded (path)
% Return a path as it stands in an address: all but letters, digits and -._~/ as %XX, a byte of UTF-8 each.
  bytes = unicode2native (path, 'UTF-8');
  encoded = '';
  for each = bytes(:)'
    if any (each == uint8 ('-._~/')) || (each >= 48 && each <= 57) || (each >= 65 && each <= 90) || (each >= 97 && each <= 122)
      encoded = [encoded char(each)]; %#ok<AGROW>
    else
      encoded = [encoded sprintf('%%%02X', each)]; %#ok<AGROW>
    end
  end
end
