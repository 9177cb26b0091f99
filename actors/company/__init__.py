"""The company's own records, and what may be changed in them: functions of a connection.

They run inside the transaction of whoever calls them, so that a change and the note that it was
made are kept together or not at all. What cannot be done is a RequestError, with the reason a
customer may hear; what is not this customer's is as unknown as what does not exist.
"""
