"""The HTTP door: WebDAV on the archive, health and metrics, served by gunicorn.

server       processes, sockets, limits, log lines            knows gunicorn, not the archive
app          the front: who asks, for which part, what status an error becomes
readonly     the answers of a tree nobody may write, method by method
dav          a file's headers and bytes; the one wsgidav provider
properties   what PROPFIND asks and tells of one node
listing      many nodes as a streamed answer: multistatus for programs, a page for people
conditions   If-* and Range headers
requests     paths, bodies and names as clients send them
metrics      counters
"""
