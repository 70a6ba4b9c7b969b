"""Agents that the tests serve, named as a user's own: `agents:Echo`."""


class Echo:
    """Tells how many messages there were, what was written, and what `tiny` says of the cells."""

    async def __call__(self, talk, models):
        last = talk[-1]
        yield f"{len(talk)} {'+'.join(turn.role[0] for turn in talk)}: {last.text}"
        if last.pictures or last.sounds:
            cells = {"photo": [*last.pictures, None][0], "speech": [*last.sounds, None][0]}
            said = await models.answer("tiny", cells)
            yield f" | {said['label']} {said['label.confidence']:.4f}"


class Hasty:
    """Asks for a cell before it says anything, so whatever is wrong with it comes first."""

    async def __call__(self, talk, models):
        match talk[-1].text:
            case "picture":
                said = await models.answer("tiny", {"photo": talk[-1].pictures[0]})
                yield said["label"]
            case "search":
                await models.search("tiny", {"photo": b""})
            case "nobody":
                await models.answer("nobody", {})


class Late:
    """Has said something when it is told that a cell can't be read."""

    async def __call__(self, talk, models):
        yield "Let me see. "
        await models.answer("tiny", {"photo": b"hello"})


class Demanding:
    def __init__(self, key):
        pass


def function():
    """No class."""
