"""Pictures: every pixel mode and orientation ends as the picture a person sees."""

import io
import warnings

import damaged
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmbm.errors import BadCell
from mmbm.kinds.image.column import ImageColumn
from mmbm.kinds.image.spec import ImageSpec


def decode(data: bytes, **options) -> np.ndarray:
    return ImageColumn(ImageSpec(**{"size": 16, **options})).decode(data)


def quadrants(side: int = 16) -> np.ndarray:
    """Red, green / blue, white: tells every orientation apart. uint8 [side, side, 3]."""
    half = side // 2
    array = np.zeros((side, side, 3), np.uint8)
    array[:half, :half, 0] = array[:half, half:, 1] = array[half:, :half, 2] = 255
    array[half:, half:] = 255
    return array


def test_a_picture_of_the_right_size_keeps_every_pixel():
    array = damaged.pixels(16, 16)

    np.testing.assert_array_equal(decode(damaged.picture(array)), array)


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda a: a),
        (2, np.fliplr),
        (3, lambda a: np.rot90(a, 2)),
        (4, np.flipud),
        (5, lambda a: a.transpose(1, 0, 2)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: np.rot90(a, 2).transpose(1, 0, 2)),
        (8, np.rot90),
    ],
)
def test_a_photo_is_turned_as_its_exif_says(orientation: int, turn):
    exif = Image.Exif()
    exif[0x0112] = orientation

    array = decode(damaged.picture(quadrants(), exif=exif))

    np.testing.assert_array_equal(array, turn(quadrants()))


def test_a_wide_photo_on_its_side_is_turned_before_it_is_fitted():
    exif = Image.Exif()
    exif[0x0112] = 6
    wide = np.repeat(quadrants(), 4, axis=1)  # [16, 64, 3], seen upright it is 64 high

    array = decode(damaged.picture(wide, exif=exif), size=(64, 16))

    np.testing.assert_array_equal(array, np.rot90(wide, -1))


def test_exif_that_cannot_be_read_leaves_the_picture_as_it_lies():
    broken = damaged.picture(quadrants(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff\x01")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = decode(broken)

    assert np.abs(array.astype(int) - quadrants()).mean() < 16


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_white_not_black(mode: str):
    clear = Image.new(mode, (16, 16))  # transparent black

    assert (decode(damaged.save(clear)) == 255).all()
    assert (decode(damaged.save(clear), channels=1) == 255).all()


def test_half_transparent_red_is_mixed_with_white():
    half = Image.new("RGBA", (16, 16), (255, 0, 0, 128))

    assert decode(damaged.save(half))[0, 0].tolist() == [255, 127, 127]


def test_a_palette_with_a_transparent_colour_is_white_there():
    picture = Image.new("P", (16, 16), 0)
    picture.putpalette([0, 0, 0, 200, 10, 20])
    picture.paste(1, (0, 0, 8, 16))

    for format in ("PNG", "GIF"):
        array = decode(damaged.save(picture, format, transparency=0))
        assert array[0, 0].tolist() == [200, 10, 20]
        assert array[0, 15].tolist() == [255, 255, 255]


def test_16_bit_grey_is_scaled_not_clipped():
    ramp = np.linspace(0, 65535, 256).reshape(16, 16)

    array = decode(damaged.picture(ramp.astype(np.uint16)), channels=1)[..., 0]

    assert np.abs(array - ramp / 257).max() <= 0.51


def test_float_grey_counts_to_one():
    ramp = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)

    array = decode(damaged.picture(ramp, "TIFF"), channels=1)[..., 0]

    assert np.abs(array - 255 * ramp).max() <= 0.51


def test_pixel_values_without_a_known_range_are_refused():
    for value in (-5, 1 << 20):
        with pytest.raises(BadCell, match="pixel values from"):
            decode(damaged.picture(np.full((4, 4), value, np.int32), "TIFF"))


def test_cmyk_and_one_bit_look_as_they_do_on_screen():
    white = Image.new("RGB", (16, 16), "white")

    assert (decode(damaged.save(white.convert("CMYK"), "JPEG")) > 250).all()
    assert (decode(damaged.save(white.convert("1"))) == 255).all()


def test_an_animation_is_its_first_frame():
    red, blue = (Image.new("RGB", (16, 16), color) for color in ("red", "blue"))
    for format in ("GIF", "WEBP", "PNG"):
        data = damaged.save(red, format, save_all=True, append_images=[blue], lossless=True)
        assert decode(data)[0, 0].tolist() == [255, 0, 0]


def test_pad_keeps_the_whole_picture_between_bars():
    array = decode(damaged.picture(np.full((8, 16, 3), 200, np.uint8)), resize="pad")

    assert (array[4:12] == 200).all()
    assert not array[:4].any()
    assert not array[12:].any()


def test_crop_keeps_the_middle_and_fills_the_size():
    wide = np.zeros((16, 48, 3), np.uint8)
    wide[:, 16:32] = 200

    assert (decode(damaged.picture(wide), resize="crop") == 200).all()


def test_stretch_uses_all_of_the_picture():
    wide = np.zeros((16, 64, 3), np.uint8)
    wide[:, :32] = 200

    array = decode(damaged.picture(wide))

    assert (array[:, :7] > 190).all()
    assert (array[:, 9:] < 10).all()


def test_a_large_jpeg_decoded_at_part_of_its_size_looks_like_the_full_decode():
    photo = Image.fromarray(damaged.pixels(40, 60)).resize((1200, 800), Image.Resampling.BICUBIC)
    data = damaged.save(photo, "JPEG", quality=95)

    full = Image.open(io.BytesIO(data)).resize((16, 16), Image.Resampling.BICUBIC)

    assert np.abs(decode(data).astype(int) - np.asarray(full)).mean() < 1


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded():
    with pytest.raises(BadCell, match="pixels"):
        decode(damaged.bomb())
    with pytest.raises(BadCell, match=r"60x40 pixels, more than max_pixels=100"):
        decode(damaged.picture(), max_pixels=100)


@pytest.mark.parametrize("format", [*damaged.PICTURE_FORMATS, "AVIF"])
def test_a_cut_off_picture_is_refused_never_partly_grey(format: str):
    data = damaged.picture(damaged.pixels(48, 48), format)
    column = ImageColumn(ImageSpec(size=48))
    whole = column.decode(data)

    for length in np.linspace(1, len(data) - 1, 40).astype(int):
        try:
            part = column.decode(data[:length])
        except BadCell:
            continue
        np.testing.assert_array_equal(part, whole)  # only a trailer was missing
    with pytest.raises(BadCell):
        column.decode(data[: len(data) // 2])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<svg xmlns='x'/>", "SVG"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 40, "HEIC"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"%PDF-1.7", "PDF"),
        (damaged.sound(), "a WAV sound"),
        (b"plain words", "is not a picture"),
    ],
)
def test_the_reason_names_what_was_found_instead(data: bytes, reason: str):
    with pytest.raises(BadCell, match=reason):
        decode(data)


@settings(max_examples=150, deadline=None)
@given(
    format=st.sampled_from(damaged.PICTURE_FORMATS),
    seed=st.integers(0, 2**32),
    count=st.integers(2, 30),
)
def test_any_damage_gives_a_picture_or_bad_cell(format: str, seed: int, count: int):
    data = damaged.flipped(damaged.picture(format=format), seed, count)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # as strict callers have it
        try:
            array = decode(data)
        except BadCell:
            return
    assert array.shape == (16, 16, 3)
    assert array.dtype == np.uint8


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow, of damaged metadata
@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"II*\0"]), st.binary()
)
def test_any_bytes_after_a_signature_are_no_picture(signature: bytes, rest: bytes):
    with pytest.raises(BadCell):
        decode(signature + rest)


def test_real_photographs_have_colour_and_detail(data):
    column = ImageColumn(ImageSpec(size=64))
    photos = sorted((data / "fashion_products" / "image").glob("*.jpg"))[:20]

    arrays = np.stack([column.decode(photo) for photo in photos])

    assert arrays.shape == (20, 64, 64, 3)
    assert (arrays.std(axis=(1, 2, 3)) > 10).all()


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_white_is_the_largest_value_of_the_bits_that_are_used(bits: int):
    grey = np.linspace(0, 2**bits - 1, 256).reshape(16, 16).astype(np.uint16)

    array = decode(damaged.picture(grey), channels=1, bits=bits)

    assert np.abs(array[..., 0].ravel().astype(int) - np.arange(256)).max() <= 1


def test_a_value_beyond_the_bits_is_a_bad_cell():
    grey = np.full((16, 16), 5000, np.uint16)

    with pytest.raises(BadCell, match="up to 5000, more than bits: 12"):
        decode(damaged.picture(grey), bits=12)


def test_heic_names_the_package_that_reads_it():
    with pytest.raises(BadCell, match="HEIC picture; to read it: pip install pillow-heif"):
        decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99))


def test_heic_is_read_where_the_package_is_installed(monkeypatch):
    import sys
    from types import ModuleType, SimpleNamespace

    module = ModuleType("pillow_heif")
    picture = Image.fromarray(quadrants())
    module.open_heif = lambda file: SimpleNamespace(to_pillow=lambda: picture)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pillow_heif", module)

    array = decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99))

    np.testing.assert_array_equal(array, quadrants())


def test_a_git_lfs_pointer_says_what_to_run():
    with pytest.raises(BadCell, match=r"is a Git LFS pointer: run `git lfs pull`$"):
        decode(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")


@given(st.binary(max_size=400), st.integers(0, 400), st.integers(0, 255))
def test_any_damage_to_a_png_is_an_image_or_a_bad_cell(junk, place, value):
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (12, 9), "red").save(file, "PNG")
    raw = bytearray(file.getvalue())
    raw[place % len(raw)] = value
    column = ImageColumn(ImageSpec(kind="image", size=8))
    try:
        pixels = column.decode(bytes(raw) + junk)
    except BadCell:
        return
    assert pixels is not None
    assert pixels.shape == (8, 8, 3)
