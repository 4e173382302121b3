"""What the customer's public pages ask for: nobody signs in there.

Who applies holds a draft by its token, and later an application by its number and code; what is done through these
pages is done by one principal, and only ever on the case that was proved.
"""
