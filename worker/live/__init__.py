"""worker/live"""
