"""How tables come to be, beside parts that are at work. What is in them is the matter of other folders."""
