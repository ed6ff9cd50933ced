function names = archimed_get (url, token, places, folder)
% ARCHIMED_GET  Download files, series or exams of an ArchiMed archive.
%
%   names = archimed_get (url, token, '2008-0003/E001', 'data')
%   names = archimed_get (url, token, archimed_query (url, token, question), 'data')
%
% PLACES is a path of the tree, a cell array of paths, or what archimed_query returned. Files come into FOLDER, in the folders
% of the tree, and are compared with their SHA-256; what is there already is not fetched again. Returns the names of the files.

  if isstruct (places)
    places = {places.path};
  elseif ischar (places)
    places = {places};
  end
  names = {};
  for each = 1:numel (places)
    names = [names; get_below(url, token, archimed_stat(url, token, places{each}), folder)]; %#ok<AGROW>
  end
end

function names = get_below (url, token, node, folder)
  names = {};
  if ~ strcmp (node.kind, 'file')
    inside = archimed_list (url, token, ['/tree/' archimed_encoded(node.path)], 'name', {});
    for each = 1:numel (inside)
      names = [names; get_below(url, token, pick(inside, each), folder)]; %#ok<AGROW>
    end
    return
  end
  if any (strcmp ('..', strsplit (node.path, '/'))) || any (node.path == '\')
    error ('archimed:name', 'the archive names a file that would lie outside the folder');
  end
  name = fullfile (folder, strrep (node.path, '/', filesep));
  names = {name};
  if exist (name, 'file') && strcmp (archimed_digest (name), node.sha256)
    return
  end
  above = fileparts (name);
  if ~ exist (above, 'dir')
    mkdir (above);
  end
  archimed_save ([name '.part'], url, token, ['/files/' archimed_encoded(node.path)]);
  if ~ strcmp (archimed_digest ([name '.part']), node.sha256)
    delete ([name '.part']);
    error ('archimed:damaged', '%s did not come as the archive has it; try again', node.path);
  end
  movefile ([name '.part'], name);
end

function one = pick (all, at)
  if iscell (all)
    one = all{at};
  else
    one = all(at);
  end
end
