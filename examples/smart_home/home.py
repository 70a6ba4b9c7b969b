"""A simulated room on MQTT, as Home Assistant's discovery expects it: a camera, sensors, devices.

    python home.py --broker localhost:1883        # another room whenever you press Enter

Home Assistant on the same broker shows it by itself. https://www.home-assistant.io/integrations/mqtt
"""

import argparse
import io
import json
import threading
from typing import Any

import data
import drawing
import numpy as np
from commands import COLDEST, WARMEST, Room
from drawing import Look
from mqtt import DISCOVERY, connect
from paho.mqtt.client import Client, MQTTMessage

COMPONENTS = {
    "lamp": "light",
    "fan": "fan",
    "tv": "switch",
    "curtain": "cover",
    "thermostat": "climate",
}
RUNNING = {"ON": True, "OFF": False, "OPEN": True, "CLOSE": False}


class Home:
    """One room at a time; `enter` makes it another one. Commands change it, and its picture."""

    def __init__(self, host: str, port: int, node: str = "room"):
        self.node, self.base = node, f"smart_home/{node}"
        self.look, self.room = Look((), 0.0, 0), Room({}, 20, 500, 12)
        self.set_to: int | None = None  # °C of the thermostat, once it was set
        self.picture = b""  # JPEG
        self.lock = threading.Lock()
        self.grain = np.random.default_rng()
        self.client = connect(
            host,
            port,
            f"home-{node}",
            on_message=self.obey,
            subscribe=[f"{self.base}/+/set"],
            availability=self.availability,
        )

    @property
    def availability(self) -> str:
        return f"{self.base}/availability"

    def enter(self, look: Look, room: Room) -> None:
        """What was there before leaves Home Assistant by an empty config."""
        with self.lock:
            before = self.entities()
            gone = self.room.on.keys() - room.on.keys()
            self.look, self.room, self.set_to = look, room, None
            now = self.entities()
            for topic in [*(before.keys() - now.keys()), *(f"{self.base}/{name}" for name in gone)]:
                self.publish(topic, "")
            for topic, config in now.items():
                self.publish(topic, json.dumps(config, ensure_ascii=False))
            self.show()
            for name in room.on:
                self.publish(f"{self.base}/{name}", self.state(name))
            self.publish(f"{self.base}/temperature", str(room.temperature))
            self.publish(f"{self.base}/light", str(room.light))

    def entities(self) -> dict[str, dict[str, Any]]:
        """Topic of discovery -> config, for all that the room has."""
        found = {
            self.topic("camera", "camera"): {"topic": f"{self.base}/camera"},
            self.topic("sensor", "temperature"): {
                "state_topic": f"{self.base}/temperature",
                "device_class": "temperature",
                "unit_of_measurement": "°C",
            },
            self.topic("sensor", "light"): {
                "state_topic": f"{self.base}/light",
                "device_class": "illuminance",
                "unit_of_measurement": "lx",
            },
        }
        for name in self.room.on:
            state, command = f"{self.base}/{name}", f"{self.base}/{name}/set"
            found[self.topic(COMPONENTS[name], name)] = (
                {
                    "temperature_command_topic": command,
                    "temperature_state_topic": state,
                    "current_temperature_topic": f"{self.base}/temperature",
                    "min_temp": COLDEST,
                    "max_temp": WARMEST,
                    "temp_step": 1,
                    "temperature_unit": "C",
                    "modes": ["auto"],
                }
                if name == "thermostat"
                else {"command_topic": command, "state_topic": state}
            )
        return {topic: {**self.about(topic), **config} for topic, config in found.items()}

    def topic(self, component: str, name: str) -> str:
        return f"{DISCOVERY}/{component}/{self.node}/{name}/config"

    def about(self, topic: str) -> dict[str, Any]:
        name = topic.split("/")[3]
        return {
            "name": name,
            "unique_id": f"{self.node}_{name}",
            "availability_topic": self.availability,
            "device": {"identifiers": [self.node], "name": self.node, "model": "simulated room"},
            "origin": {"name": "mmbm smart home"},
        }

    def obey(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        """A command: what can't be understood changes nothing, as with a real device."""
        name, said = message.topic.split("/")[-2], message.payload.decode("utf-8", "replace")
        with self.lock:
            if name == "thermostat" and name in self.room.on:
                if not (said.isdecimal() and COLDEST <= int(said) <= WARMEST):
                    return
                self.set_to = int(said)
            elif name in self.room.on and said in RUNNING:
                on = {**self.room.on, name: RUNNING[said]}
                self.room = self.room._replace(on=on)
                self.show()
            else:
                return
            self.publish(f"{self.base}/{name}", self.state(name))

    def state(self, name: str) -> str:
        if name == "thermostat":
            return str(self.set_to or self.room.temperature)
        running = self.room.on[name]
        return ("open" if running else "closed") if name == "curtain" else ("OFF", "ON")[running]

    def show(self) -> None:
        """The camera takes a picture."""
        file = io.BytesIO()
        drawing.draw(self.look, self.room, self.grain).save(file, "JPEG", quality=85)
        self.picture = file.getvalue()
        self.publish(f"{self.base}/camera", self.picture)

    def publish(self, topic: str, payload: str | bytes) -> None:
        self.client.publish(topic, payload, qos=1, retain=True)

    def close(self) -> None:
        """Leave nothing behind that the broker would tell of."""
        with self.lock:
            for topic in self.entities():
                self.publish(topic, "")
            self.client.publish(self.availability, "offline", 1, True).wait_for_publish(5)
        self.client.disconnect()
        self.client.loop_stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--broker", default="localhost:1883")
    given = parser.parse_args()
    host, _, port = given.broker.partition(":")
    home = Home(host, int(port or 1883))
    generator = np.random.default_rng()
    try:
        while True:
            room = data.room(generator)
            home.enter(data.look(data.pools(7)["test"], generator), room)
            print(room, "\nEnter: another room. Ctrl-D: stop.")
            input()
    except (EOFError, KeyboardInterrupt):
        home.close()
