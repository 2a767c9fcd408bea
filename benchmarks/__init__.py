"""What a call and a packet cost, and what two thousand calls leave behind: `pbx bench` runs what is here."""
