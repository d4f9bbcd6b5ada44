"""The configuration as a gateway takes it: read, tried by its own tests, and watched.

Above `config`, because its tests are tried by the code that routes traffic, and certificates for
servers by the code that shows them. Needs Twisted only for the latter.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from daarion_gw.config.load import PLACES, find_file, load
from daarion_gw.config.problems import ConfigurationError
from daarion_gw.config.reading import Reading, Stamp
from daarion_gw.config.settings import Settings

from .route_tests import failures


class Loading:
    """Called for the settings, as often as they are wanted anew.

    given: the file, or None for the first of the usual places. mounted: names of pages beside
    the routes, for the tests. Raises `ConfigurationError` with every mistake, or with every
    test that does not hold.
    """

    def __init__(
        self,
        given: str | None,
        environ: Mapping[str, str],
        cwd: Path,
        mounted: Iterable[bytes] = (),
    ) -> None:
        self._given = given
        self._environ = environ
        self._cwd = cwd
        self._mounted = tuple(mounted)
        self._file: Path | None = None
        self._reading = Reading()
        self._seen: dict[Path, Stamp] = {}

    def __call__(self) -> Settings:
        # Also of one that fails: what would mend it is a change of the same files.
        reading = self._reading = Reading()
        self._seen = {}
        if self._given is None:
            for place in PLACES:
                reading.note(self._cwd / place)
        path = find_file(self._given, self._cwd)
        self._file = None if path is None else self._cwd / path
        settings = load(path, self._environ, self._cwd, reading)
        failed = failures(settings, self._mounted)
        if failed:
            raise ConfigurationError(failed)
        _try_certificates(settings)
        return settings

    def has_changed(self) -> bool:
        """Whether the files that were read last are others now, and have come to rest.

        Asked once a second: they have when they are what they were when it was asked before. A
        file that is away just now is about to be replaced.
        """
        now = self._reading.now()
        rests = now == self._seen
        self._seen = now
        if not rests or now == self._reading.stamps:
            return False
        return self._file is None or now[self._file] is not None


def _try_certificates(settings: Settings) -> None:
    """See that OpenSSL takes what servers are to be shown. Raises `ConfigurationError`."""
    for upstream in settings.upstreams.values():
        for server in upstream.servers:
            if server.tls is not None and server.tls.cert is not None:
                # Not above: it brings Twisted, which most configurations do without.
                from daarion_gw.upstream.security import Secured

                Secured(server)
