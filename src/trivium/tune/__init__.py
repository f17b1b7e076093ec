"""One training on a task's labelled items: the model and its head, the batches, the loop with its looks. Stages say what for."""
