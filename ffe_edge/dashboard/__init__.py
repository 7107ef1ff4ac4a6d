"""The web page a carer looks at: subscriber, picture of the moment, web app, static files."""
