"""The same scenes played to the generic clients and to ours: what does each of them give?"""
