"""A connection to an MQTT broker that comes back by itself."""

import threading
from collections.abc import Callable, Sequence

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from mmbm.errors import MmbmError

DISCOVERY = "homeassistant"
"""Home Assistant's own prefix of the topics of discovery."""
PATIENCE = 10  # seconds


def connect(
    host: str,
    port: int,
    name: str,
    on_message: Callable,
    subscribe: Sequence[str],
    availability: str | None = None,
) -> Client:
    """A client that has subscribed, and does so again whenever the connection was lost.

    availability: a topic that says `online` while the client is connected, and `offline`, by its
    last will, when it is gone.
    """
    client = Client(CallbackAPIVersion.VERSION2, client_id=name)
    ready, refused = threading.Event(), []

    def on_connect(client: Client, userdata, flags, reason, properties) -> None:
        if reason.is_failure:
            refused.append(str(reason))
            ready.set()
        else:
            client.subscribe([(topic, 1) for topic in subscribe])
            if availability:
                client.publish(availability, "online", qos=1, retain=True)

    client.on_connect = on_connect
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = on_message
    if availability:
        client.will_set(availability, "offline", qos=1, retain=True)
    try:
        client.connect(host, port)
    except OSError as error:
        raise MmbmError(f"No MQTT broker answers at {host}:{port} ({error}). Start one.") from error
    client.loop_start()
    if not ready.wait(PATIENCE) or refused:
        client.loop_stop()
        why = refused[0] if refused else f"no answer within {PATIENCE} s"
        raise MmbmError(f"The MQTT broker at {host}:{port} lets nobody in: {why}.")
    return client
