function node = archimed_stat (url, token, path)
% Return what is known of one place in the tree.
  node = archimed_ask (url, token, ['/stat/' archimed_encoded(path)], {});
end
