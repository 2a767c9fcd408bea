"""The domain machine of a call: its legs, who hears whom, and why it ended.

Legs exchange call events, never SIP messages (`events`); media is known only through the `Media`
protocol (`media`); a call asks for decisions and is given plans (`plan`), it never knows a dialplan.
"""
