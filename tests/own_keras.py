"""Keras models as encoders, as docs/custom-encoders.md describes them."""

from typing import Any


def picture(layout: str, features: int) -> Any:
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((None, None, features)),
            layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.1),
            layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
        ]
    )


def sequence(layout: str, features: int) -> Any:
    import keras

    layers = keras.layers
    return keras.Sequential(
        [layers.Input((None, features)), layers.Conv1D(8, 3, padding="causal", activation="relu")]
    )


def backwards(layout: str, features: int) -> Any:
    import keras

    layers = keras.layers
    both = layers.Bidirectional(layers.GRU(4, return_sequences=True))
    return keras.Sequential([layers.Input((None, features)), both])


def pooled(layout: str, features: int) -> Any:
    import keras

    layers = keras.layers
    return keras.Sequential([layers.Input((None, features)), layers.GlobalAveragePooling1D()])


def nothing(layout: str, features: int) -> Any:
    return None
