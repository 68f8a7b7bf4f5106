"""What `hourpost up` brings along, each part by itself. What all of it does together is tested in end_to_end."""
