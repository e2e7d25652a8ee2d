"""Every parser of an answer, fed with the bytes that reach the most of its code: does it ever fall?"""
