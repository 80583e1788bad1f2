"""Training: batches -> steps -> epochs.

Modules, each importing only from those above it:

    history.py      History: one row an epoch, the only place metrics go
    schedules.py    step -> learning rate
    optim.py        optimisers: constants and (init, update)
    torch_optim.py  those of torch.optim, on the memory of ours
    health.py       why a network does not learn: dead units, vanished gradients
    evaluate.py     loss and accuracy on whole splits
    state.py        TrainState: all that a resumed run needs
    replicas.py     the models that share their batches, and one step of them
    trainer.py      Callback, Trainer: the loop
    callbacks.py    overfit monitor, best keeper, snapshots, recorder, progress
    profile.py      where the time of a training went
"""
