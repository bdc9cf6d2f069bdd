"""From what should be true to the verbs that make it so: the plan, its price, and carrying it out."""
