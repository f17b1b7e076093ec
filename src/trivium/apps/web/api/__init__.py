"""The server of a run's models: OpenAI's API, the heads of its tasks, and the chat page."""
