"""PALM 2.0 of ModelScope, and AliceMind's palm.en.base: a BERT or RoBERTa encoder with a decoder of its own."""
