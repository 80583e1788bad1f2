"""Data sets: values in memory, and everything that turns files into them.

Modules, each importing only from those above it:

    labels.py             labels: integers in [0, C), and noise on them
    strata.py             stratified draws: of each class its share
    dataset.py            Split and Dataset: the arrays of an experiment, and how to describe them
    scale.py              Scaler: the first step of every model, fitted on the training split only
    image_ops.py          changes of images that keep their class, a batch at once
    augment.py            those changes at random: a pure function of (seed, epoch, batch)
    inputs.py             Inputs: the rows of a split as they are stored, a batch at a time
    batches.py            the order of an epoch: a pure function of (seed, epoch)
    published.py          Published: a data set's parts, layouts, digests
    safe_pickle.py        pickled batches, read without running anything
    mat_file.py           Matlab files, read with bounded memory
    idx.py                IDX files, plain or gzip, of exactly the expected size
    table_file.py         the file of a table: unpacked, its separator and its header found
    table.py              tables of numbers with a label in every row, whatever wrote them
    image_folder.py       a folder of images for each class
    npz_dataset.py        a user's own .npz
    own_data.py           what `--dataset FILE` or `FOLDER/` names, of these
    archive.py            members of a .tar.gz, never extracted
    cifar10.py            CIFAR-10's three published layouts -> identical arrays
    cifar10_published.py  what is known about the published files: address, digests
    cifar10_npm.py        the npm package of the same images -> the published layout
    mnist.py              MNIST's layouts (idx, npz, csv), which Fashion-MNIST shares
    mnist_published.py    what is known about the published files of both: addresses, digests
    known.py              the published data sets by name
    functions.py          functions of one number on [0, 2]: regression
    sample.py             the bundled samples of real images: drawn, written, loaded
    locate.py             where data is looked for
    load.py               a data set's name -> its rows, wherever they are
    split.py              load_dataset: the three splits of an experiment
    download.py           one file from https or from this computer
    npm.py                packages through the npm client
    fetch.py              getting a data set: published, or a mirror; verified
    catalog.py            what data there is, and whether it is what was published
"""
