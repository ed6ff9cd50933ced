"""From the configuration to the chain of backends."""

from catalog.audit import Refusals
from catalog.database import Database
from gateway.config import Config, read_secret
from gateway.credentials.asking import Asking, Lanes, PasswordBackend
from gateway.credentials.failures import Failures, Limits
from gateway.credentials.sessions import Credentials
from gateway.credentials.tokens import TokenBackend

_THREADS_A_LANE = 4


class Opener:
    """Makes the chain in each worker process. Make it before they are forked: what it holds, they share."""

    def __init__(self, config: Config) -> None:
        self._config = config
        auth = config.auth
        limits = Limits(auth.max_failures, auth.failure_seconds, auth.repeat_seconds)
        self._failures = Failures(limits)
        self._strangers = Failures(limits, crowds_out=True)

    def open(self, database: Database, refusals: Refusals | None = None) -> Credentials:
        """Return the authenticator of this process.

        Args:
            database: the catalogue.
            refusals: where refused logins are counted.

        Raises:
            ConfigError: a secret cannot be read.
        """
        auth = self._config.auth
        count = max(1, len(set(auth.backends) - {"token"}))
        passwords = [
            # A quarter of the threads may ask a backend, as many may wait for it: the other half stays free.
            Asking(
                self._backend(name),
                self._failures,
                Lanes(self._config.http.threads // _THREADS_A_LANE // count),
                strangers=self._strangers,
            )
            for name in auth.backends
            if name != "token"
        ]
        tokens = TokenBackend(database) if "token" in auth.backends else None
        return Credentials(
            database, tokens, passwords, realms=auth.realms, proxies=auth.trusted_proxies, refusals=refusals
        )  # fmt: skip

    def _backend(self, name: str) -> PasswordBackend:
        # Late: who does not use them needs neither libpam nor the directory's library.
        if name == "pam":
            from gateway.credentials.unix import PamBackend

            return PamBackend(self._config.pam)
        from gateway.credentials.directory import DirectoryBackend

        ldap = self._config.ldap
        secret = read_secret(ldap.bind_password_file, "the directory's password") if ldap.bind_password_file else ""
        return DirectoryBackend(ldap, secret)
