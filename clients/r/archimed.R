# Ask an ArchiMed archive from R; needs the packages httr2 and jsonlite.
#
#   source("archimed.R")
#   t1 <- archimed_query("https://archive.example.org", token, 'file_type = "DCM_MR" and EchoTime > 3 ms')
#   archimed_zip("https://archive.example.org", token, t1$path[1], "t1.zip")

archimed_request <- function(url, token, place) {
  httr2::request(paste0(sub("/+$", "", url), "/api/v1", place)) |>
    httr2::req_auth_bearer_token(token) |>
    httr2::req_error(body = function(answer) httr2::resp_body_json(answer)$detail)
}

# A data frame of the series that answer a question (docs/query.md).
archimed_query <- function(url, token, question) {
  pages <- list()
  after <- ""
  repeat {
    answer <- archimed_request(url, token, "/query") |>
      httr2::req_url_query(q = question, limit = 1000, after = after) |>
      httr2::req_perform()
    page <- jsonlite::fromJSON(httr2::resp_body_string(answer), flatten = TRUE)
    pages[[length(pages) + 1]] <- page
    if (NROW(page) < 1000) return(do.call(jsonlite::rbind_pages, list(pages)))
    after <- page$path[nrow(page)]
  }
}

# All files at or below a place of the tree, as one ZIP.
archimed_zip <- function(url, token, path, file) {
  place <- paste0("/zip/", paste(utils::URLencode(strsplit(path, "/")[[1]], reserved = TRUE), collapse = "/"))
  archimed_request(url, token, place) |> httr2::req_perform(path = file)
  invisible(file)
}
