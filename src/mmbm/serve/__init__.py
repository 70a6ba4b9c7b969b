"""A bundle as a service.

    bytes ──► guard ──► app ──► body ──► replica ────────────────► answers
              who may,  routes  JSON,    decode in a pool,         as `mmbm predict`
              how much          files,   batcher (rows that arrive gives them
                                JSONL    together run together),
                                         runner, drift

One process is one event loop, a pool that decodes and one thread that runs the graphs. `process.py`
starts it, or several that share a port. No torch.
"""
