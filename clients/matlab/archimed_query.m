function found = archimed_query (url, token, question, kind)
% ARCHIMED_QUERY  Ask an ArchiMed archive which series, or files, answer a question.
%
%   series = archimed_query (url, token, 'file_type = "DCM_MR" and EchoTime > 3 ms')
%   files  = archimed_query (url, token, question, 'files')
%
% URL is the archive's address, TOKEN what `archimed token create` printed; the question is one of docs/query.md. Returns a
% column of structs, one for each answer: path, study, exam, series, file_type, and of series also number, description, files
% (how many answer) and metadata. Empty if nothing answers. Runs in MATLAB (R2016b or newer) and in GNU Octave (7 or newer).

  place = '/query';
  if nargin > 3 && strcmp (kind, 'files')
    place = '/query/files';
  end
  found = archimed_list (url, token, place, 'path', {'q', question});
end
