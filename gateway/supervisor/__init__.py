"""One process tree out of several parts: started together, restarted when one dies, stopped in order.

What a part does is not known here. The parent keeps the listening sockets, so a client that connects while a part is being
restarted waits instead of being refused.
"""

from gateway.supervisor.child import Part, die_with_parent, stop_on_sigterm
from gateway.supervisor.parent import Patience, Supervisor
from gateway.supervisor.sockets import address_of, listen, listen_locally

__all__ = ["Part", "Patience", "Supervisor", "address_of", "die_with_parent", "listen", "listen_locally", "stop_on_sigterm"]
