#!/usr/bin/python3
"""Whole learning runs of torch, step by step: run_NAME/{image,target}.npy, one .npy for each weight it begins with, and
steps.npy: after each step all weights (and running statistics) in the order of `weights`, behind each other. Prints the
manifest's `runs`. Made with torch 1.13 (Debian's python3-torch), in float64, stored as float32."""
import json, os
import numpy as np, torch
from torch import nn
torch.set_default_dtype(torch.float64)


def save(folder, name, x):
    x = np.asarray(x.detach().numpy() if torch.is_tensor(x) else x)
    np.save(f'{folder}/{name}.npy', x if x.dtype == np.int64 else x.astype(np.float32))


def run(name, net, names, steps, x, target, loss, batch, epochs, make, settings, schedule=None):
    folder = f'run_{name}'
    os.makedirs(folder, exist_ok=True)
    net.train()
    state = net.state_dict(keep_vars=True)
    for ours, theirs in names.items():      # what float32 can hold is where both begin
        state[theirs].data.copy_(state[theirs].data.float().double())
        save(folder, ours.replace('.', '_'), state[theirs])
    x = x.float().double()
    if target.dtype != torch.int64:
        target = target.float().double()
    save(folder, 'image', x)
    save(folder, 'target', target)
    optimizer = make(net.parameters())
    scheduler = schedule(optimizer) if schedule else None
    rows, losses = [], []
    for _ in range(epochs):
        total = 0.0
        for i in range(0, len(x), batch):
            optimizer.zero_grad()
            y = net(x[i:i + batch])
            value = loss(y, target[i:i + batch])
            value.backward()
            optimizer.step()
            total += value.item() * len(x[i:i + batch])
            rows.append(np.concatenate([state[t].detach().numpy().ravel() for t in names.values()]))
        losses.append(total / len(x))
        if scheduler:
            scheduler.step()
    save(folder, 'steps', np.array(rows))
    return {'name': f'run_{name}', 'steps': steps, 'weights': list(names), 'settings': settings, 'losses': losses, 'rel': 1e-4}


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.inner = nn.Conv2d(6, 6, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(6)
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        x = torch.relu(self.norm(self.conv(x / 255 - 0.5)))
        x = torch.relu(x + self.norm2(self.inner(x)))
        return self.fc(nn.functional.max_pool2d(x, 2).mean((2, 3)))


def main():
    torch.manual_seed(7)
    runs = []
    x, classes = torch.rand(11, 3, 8, 8) * 255, torch.randint(0, 3, (11,))
    classes[:3] = torch.arange(3)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                        nn.Linear(8, 3))
    runs.append(run('plain', net, {'conv.weight': '0.weight', 'conv.bias': '0.bias', 'fc.weight': '5.weight',
                                   'fc.bias': '5.bias'},
                    [{'id': 'conv', 'op': 'conv', 'weight': '@conv_weight', 'bias': '@conv_bias', 'padding': 1, 'learn': True},
                     'relu', {'op': 'max_pool', 'kernel_size': 2}, 'global_avg_pool',
                     {'id': 'fc', 'op': 'linear', 'weight': '@fc_weight', 'bias': '@fc_bias', 'learn': True}],
                    x / 255 - 0.5, classes, nn.CrossEntropyLoss(), 4, 3, lambda p: torch.optim.Adam(p, lr=0.02),
                    {'optimizer': 'adam', 'lr': 0.02, 'batch_size': 4, 'epochs': 3, 'shuffle': False}))
    runs.append(run('norm', Residual(), {
        'conv.weight': 'conv.weight', 'norm.weight': 'norm.weight', 'norm.bias': 'norm.bias', 'norm.mean': 'norm.running_mean',
        'norm.var': 'norm.running_var', 'r.conv.weight': 'inner.weight', 'r.conv.bias': 'inner.bias',
        'r.norm.weight': 'norm2.weight', 'r.norm.bias': 'norm2.bias', 'r.norm.mean': 'norm2.running_mean',
        'r.norm.var': 'norm2.running_var', 'fc.weight': 'fc.weight', 'fc.bias': 'fc.bias'},
        [{'op': 'scale', 'mul': 1 / 255, 'add': -0.5},
         {'id': 'conv', 'op': 'conv', 'weight': '@conv_weight', 'padding': 'same', 'learn': True},
         {'id': 'norm', 'op': 'batch_norm', 'learn': True}, 'relu',
         {'id': 'r', 'op': 'residual', 'steps': [
             {'id': 'conv', 'op': 'conv', 'weight': '@r_conv_weight', 'bias': '@r_conv_bias', 'padding': 1, 'learn': True},
             {'id': 'norm', 'op': 'batch_norm', 'learn': True}]}, 'relu',
         {'op': 'max_pool', 'kernel_size': 2}, 'global_avg_pool',
         {'id': 'fc', 'op': 'linear', 'weight': '@fc_weight', 'bias': '@fc_bias', 'learn': True}],
        x, classes, nn.CrossEntropyLoss(), 5, 3, lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True,
                                                                           weight_decay=1e-3),
        {'optimizer': 'sgd', 'lr': 0.1, 'momentum': 0.9, 'nesterov': True, 'weight_decay': 1e-3, 'schedule': 'cosine',
         'batch_size': 5, 'epochs': 3, 'shuffle': False},
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=3)))
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, padding_mode='reflect'), nn.Tanh(), nn.Conv2d(4, 1, 3, padding=1,
                                                                                                   bias=False))
    x = torch.rand(7, 1, 9, 6)
    runs.append(run('pairs', net, {'a.weight': '0.weight', 'a.bias': '0.bias', 'b.weight': '2.weight'},
                    [{'id': 'a', 'op': 'conv', 'weight': '@a_weight', 'bias': '@a_bias', 'padding': 1,
                      'padding_mode': 'reflect', 'learn': True}, 'tanh',
                     {'id': 'b', 'op': 'conv', 'weight': '@b_weight', 'padding': 1, 'learn': True}],
                    x, torch.flip(x, (3,)) * 2, nn.L1Loss(), 3, 3, lambda p: torch.optim.AdamW(p, lr=0.03),
                    {'loss': 'l1', 'optimizer': 'adamw', 'lr': 0.03, 'schedule': 'step', 'step_size': 2, 'gamma': 0.5,
                     'batch_size': 3, 'epochs': 3, 'shuffle': False},
                    lambda o: torch.optim.lr_scheduler.StepLR(o, 2, 0.5)))
    return runs


if __name__ == '__main__':
    print(json.dumps(main(), indent=1))
