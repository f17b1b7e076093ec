"""The smallest recipe that goes through every stage; a journey in it takes seconds and learns nothing worth having."""

from __future__ import annotations

from pathlib import Path

TINY = """
name: tiny
seed: 3
threads: 1
gather:
  sources:
    - {kind: world, tokens: 60_000, instructions: 400, heldout_instructions: 60, prompts: 60, heldout_prompts: 20}
tokenize: {vocab_size: 600}
pretrain:
  model: {hidden_size: 32, num_layers: 2, num_heads: 2, num_kv_heads: 1, head_dim: 16, intermediate_size: 48, max_positions: 256}
  steps: 12
  batch_size: 8
  length: 64
  evaluate_every: 6
finetune: {steps: 8, tokens_per_step: 512}
rate: {requests: 40, heldout_share: 0.3, max_new_tokens: 12}
reward: {epochs: 1, batch_size: 8}
align: {steps: 4, prompts_per_step: 2, answers_per_prompt: 4, max_new_tokens: 12, accept: true}
evaluate:
  instructions: 40
  requests: 10
  samples: 2
  max_new_tokens: 12
  tasks: [{kind: classify, data: {kind: world, task: codes}, views: {prompt: {template: "{text}:"}}}]
  asking: {shots: [0, 2], seeds: 1, items: 6}
  require: [{score: shots/codes/2, at_least: 0.0}]
"""


def write_tiny(folder: Path, *, text: str = TINY) -> Path:
    """The recipe as a file in `folder`."""
    path = folder / "tiny.yaml"
    path.write_text(text, encoding="utf-8")
    return path
