"""The testsuite's fuzzing server on loopback only: `fuzzing_server.py SPEC`, under Python 2.7.

`wstest -m fuzzingserver` listens on every interface, and refuses a Host with another port than its
own, which is what a proxy that passes Host unchanged sends.
"""

import json
import sys

import autobahntestsuite.fuzzing
from twisted.internet import reactor


def main():
    with open(sys.argv[1]) as spec:  # noqa: PTH123
        factory = autobahntestsuite.fuzzing.FuzzingServerFactory(json.load(spec))
    factory.externalPort = None
    reactor.listenTCP(factory.port, factory, interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main()
