"""The textbook network: a CNN sees a picture, an RNN reads a question, dense layers answer."""

import io

from PIL import Image
from sklearn.datasets import load_digits

import mmbm

rows = []
for i, (pixels, d) in enumerate(zip(*load_digits(return_X_y=True))):
    Image.fromarray((pixels.reshape(8, 8) * 15).astype("uint8")).save(png := io.BytesIO(), "PNG")
    asked = {"Which digit is it?": d, "Is it odd?": d % 2 == 1, "Is it under five?": d < 5}
    rows += [[i, png.getvalue(), question, str(answer)] for question, answer in asked.items()]
table = dict(zip(("id", "photo", "question", "answer"), zip(*rows)))
photo = {"kind": "image", "size": 8, "channels": 1, "encoder": "cnn"}
model = {"inputs": {"photo": photo, "question": {"kind": "text", "encoder": "rnn"}},
         "fusion": "concat", "members": ["network"], "targets": {"answer": "category"},  # softmax
         "train": {"epochs": 8, "weight_decay": 0}, "data": {"split": {"group": "id"}}}  # fmt: skip
print(mmbm.train(model, table=table).evaluate()["subsets"])  # AdamW without decay is Adam
