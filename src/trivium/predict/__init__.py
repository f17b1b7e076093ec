"""What trained heads tell: labels, tags, answers, vectors, words for a gap. `predictor.load_predictor` is the way in."""
