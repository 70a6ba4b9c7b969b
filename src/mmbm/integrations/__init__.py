"""Other frameworks and published weights: Keras, Hugging Face packages, CTranslate2."""
