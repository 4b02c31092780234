"""What vipd does, told as stories: a folder a case, see README.md."""
