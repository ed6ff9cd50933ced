function found = archimed_list (url, token, place, key, parameters)
% Return all elements of a list of the API, page after page; KEY is the member by which the next page is asked for.
  most = 1000;
  found = [];
  after = '';
  while true
    page = archimed_ask (url, token, place, [parameters, {'limit', num2str(most)}, {'after', after}]);
    page = page(:);
    if isempty (found)
      found = page;
    elseif ~ isempty (page)
      found = joined (found, page);
    end
    if numel (page) < most
      return
    end
    if iscell (page)
      after = page{end}.(key);
    else
      after = page(end).(key);
    end
  end
end

function all = joined (one, other)
  if isstruct (one) && isstruct (other) && isequal (sort (fieldnames (one)), sort (fieldnames (other)))
    all = [one; orderfields(other, one)];
    return
  end
  if isstruct (one)
    one = num2cell (one);
  end
  if isstruct (other)
    other = num2cell (other);
  end
  all = [one; other];
end
