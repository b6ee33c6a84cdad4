"""models/training/backbones"""
