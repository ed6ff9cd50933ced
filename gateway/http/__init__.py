"""The HTTP door: WebDAV, the desk, health and metrics, served by gunicorn.

server       processes, sockets, limits, log lines            knows gunicorn, not the archive
app          the front: who asks, for which part, what status an error becomes    knows no part
requests     `Request`, which a part is handed; paths, bodies and names as clients send them

readonly     the parts at / and /archive/: a tree nobody may write, method by method
staging      the part at /staging/: the gated way in
desk         the part at /desk/: where reviewers decide
service      the parts at /healthz, /readyz and /metrics

files        a file's headers and bytes
properties   what PROPFIND asks, and what it returns of one node
listing      many nodes as a streamed answer: multistatus for programs, a page for people
conditions   If-* and Range headers
metrics      counters

A new part is a package of its own that returns an `app.Part`, and a line in `gateway.wiring.open_http_parts`.
"""
