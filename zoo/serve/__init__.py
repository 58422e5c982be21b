"""Answers over HTTP: one model, the protocols of OpenAI and of text-embeddings-inference, batches over requests."""
