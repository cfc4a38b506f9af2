"""Sample programs that both type checkers judge as their comments say (see test_typing.py). They are never run."""
