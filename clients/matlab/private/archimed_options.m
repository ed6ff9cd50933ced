function options = archimed_options (token)
% Return how the archive is asked: with the token, and for text that is not decoded yet.
  options = weboptions ('HeaderFields', {'Authorization', ['Bearer ' token]}, 'Timeout', 60);
  if exist ('OCTAVE_VERSION', 'builtin') == 0
    options.ContentType = 'text';
    options.CharacterEncoding = 'UTF-8';
  end
end
