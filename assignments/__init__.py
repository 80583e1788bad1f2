"""The published experiments, one file each: what differs, what was published, which figures.

python -m assignments.exp4 --lambda 1 --eta 0.001        from the checkout
python -m linclass.assignments.exp4                      from an installed package
"""
