"""What all is measured against: placements, priorities, framework default, lower bounds."""
