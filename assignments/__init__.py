"""The published experiments, one file each: what differs, what was published, which figures.

python -m assignments.exp4 --lambda 1 --eta 0.001        from the checkout, and from an installed package
"""
