"""The cache on a Redis or Valkey server: sessions, claims, and what a reader needs beside them."""
