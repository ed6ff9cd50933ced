function told = archimed_ask (url, token, place, parameters)
% Return the decoded JSON that the API answers.
  try
    text = webread ([regexprep(url, '/+$', '') '/api/v1' place], parameters{:}, archimed_options (token));
  catch problem
    % Octave tells neither the status nor what the archive said, MATLAB the status alone.
    error ('archimed:refused', ['%s was not answered: it is not there or not granted to you, the question is wrong ' ...
      '(docs/query.md), the token is not good for it, or the archive is away (%s)'], place, problem.message);
  end
  told = jsondecode (text);
end
