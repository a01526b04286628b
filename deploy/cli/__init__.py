"""THE COMMAND LINE: arguments, session, verbs and reports.

The only room of deploy that prints. Imports all the others.
"""
