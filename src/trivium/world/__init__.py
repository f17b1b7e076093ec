"""The built-in corpus: a seeded little world that writes documents, instructions, open requests and preferences.

The words stand in `lexicon`, what is true in `state`; each kind of text has a module, and its entry point is the function
of the module's name: `documents.documents`, `instructions.instructions`, `prompts.prompts`. Nothing is imported here.
"""
