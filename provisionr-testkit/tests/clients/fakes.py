"""A fake of a vendor in a process of its own, for each test."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest
import urllib.parse
import urllib.request

import yaml

BUILT = pathlib.Path(__file__).parents[3] / "target/debug/provisionr-fakes"


class FakeTest(unittest.TestCase):
    """A test with the fake of `system`, filled with `seed`. It fails when the client asked for what the fake does not play."""

    system = ""
    seed: dict = {}

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = pathlib.Path(folder.name)
        (path / "seed.json").write_text(json.dumps({self.system: self.seed}))
        with (path / "systems.yaml").open("w") as systems:
            program = subprocess.Popen(
                [os.environ.get("PROVISIONR_FAKES", BUILT), "--seed", str(path / "seed.json"), f"{self.system}=0"],
                stdout=systems,
                stderr=subprocess.PIPE,
                text=True,
            )
        self.addCleanup(self._stop, program)
        first = program.stderr.readline()
        if not first.startswith("ready:"):
            raise RuntimeError(first + program.stderr.read())
        self.settings = yaml.safe_load((path / "systems.yaml").read_text())["systems"][self.system]
        self.url = self.settings["url"]
        self.credentials = {name: pathlib.Path(held["file"]).read_text() for name, held in self.settings.get("credentials", {}).items()}
        self._control = "/".join(self.url.split("/", 3)[:3]) + "/__fake/"

    def tearDown(self):
        self.assertEqual(self.control("GET", "")["problems"], [])
        unused = [fault["fault"] for fault in self.control("GET", "faults")["faults"] if not fault["struck"]]
        self.assertEqual(unused, [], "faults that never struck")

    @staticmethod
    def _stop(program):
        program.terminate()
        program.stderr.close()
        program.wait()

    def control(self, method, what, body=None):
        """Asks the fake past its API."""
        request = urllib.request.Request(self._control + what, method=method, data=json.dumps(body).encode() if body is not None else None)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def act(self, act, **args):
        """Does in the fake what people do."""
        return self.control("POST", "act", {"act": act, "args": args})["result"]

    def throttle(self, method, path, seconds=1, times=1):
        """Lets the next such requests meet a rate limit, in the vendor's own form."""
        fault = {"on": {"method": method, "path": path}, "do": {"kind": "throttle", "pause_ms": seconds * 1000}, "times": times}
        self.control("POST", "faults", fault)

    def state(self):
        """The truth, past the API."""
        return self.control("GET", "state")

    def events(self, kind):
        """The effective changes of a kind so far."""
        return [event for event in self.control("GET", "events")["events"] if event["kind"] == kind]

    def statuses(self, method, path):
        """How each request to a path was answered, in order."""
        requests = self.control("GET", "requests")["requests"]
        return [one["status"] for one in requests if one["method"] == method and urllib.parse.unquote(one["path"]) == path]
