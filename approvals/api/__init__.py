"""REST over approvals: what is asked, who may decide, and the decision."""
