"""From the name or the path of a data set to the arrays that training and test see."""
